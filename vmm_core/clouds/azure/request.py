"""What is sent to Azure to make one machine: one request, nothing beside it. Pure.

The network interface, the disk and the address are made by the same request
and go with the machine (``deleteOption`` Delete; Azure's own default is to
leave them). Custom data is write-only at Azure, and the same for all machines
of a pool but for the machine's name and its one-time enrolment token.
"""

from __future__ import annotations

import base64

from azure.mgmt.compute import models

from ..base import MachineSpec, Refused
from . import names
from .options import Options

MOST_CUSTOM_DATA = 65_535
"""Bytes of custom data that Azure takes, before base64."""

NETWORK_API = "2022-11-01"
"""The version of the network's API by which Compute makes the network interface."""


def machine(spec: MachineSpec, options: Options, ssh_public_key: str) -> models.VirtualMachine:
    """The machine to ask for.

    Raises:
        Refused: what is asked for cannot be said to Azure; the sentence has the remedy.
    """
    if not names.is_name(spec.name):
        raise Refused(
            f"{spec.name!r} cannot be a machine's name in Azure: "
            f"64 letters, digits and hyphens at most, no hyphen at an end"
        )
    tags = names.tags(spec.name, spec.owner, spec.ports, spec.tags)
    return models.VirtualMachine(
        location=options.region,
        zones=[options.zone] if options.zone else None,
        tags=tags,
        properties=models.VirtualMachineProperties(
            hardware_profile=models.HardwareProfile(vm_size=spec.size.name),
            storage_profile=models.StorageProfile(
                image_reference=image(spec.image, options),
                os_disk=_disk(spec, options),
            ),
            os_profile=_system(spec, options, ssh_public_key),
            network_profile=models.NetworkProfile(
                network_api_version=NETWORK_API,
                network_interface_configurations=[_interface(spec, options, tags)],
            ),
            additional_capabilities=(
                models.AdditionalCapabilities(hibernation_enabled=True)
                if options.hibernate
                else None
            ),
            diagnostics_profile=(
                models.DiagnosticsProfile(boot_diagnostics=models.BootDiagnostics(enabled=True))
                if options.boot_diagnostics
                else None
            ),
            security_profile=(
                models.SecurityProfile(security_type="TrustedLaunch")
                if options.trusted_launch
                else None
            ),
        ),
    )


def image(wanted: str, options: Options) -> models.ImageReference:
    """The image that an environment's ``image`` stands for.

    Raises:
        Refused: it is neither in the options' ``images`` nor an image's name in Azure.
    """
    named = options.images.get(wanted, wanted)
    lower = named.lower()
    if lower.startswith("/subscriptions/"):
        return models.ImageReference(id=named)
    if lower.startswith("/sharedgalleries/"):
        return models.ImageReference(shared_gallery_image_id=named)
    if lower.startswith("/communitygalleries/"):
        return models.ImageReference(community_gallery_image_id=named)
    parts = named.split(":")
    if len(parts) == 4 and all(parts):
        publisher, offer, sku, version = parts
        return models.ImageReference(publisher=publisher, offer=offer, sku=sku, version=version)
    raise Refused(
        f"image {wanted!r} is not known here: add it to `images` of the cloud's options, as "
        f"an image's id or publisher:offer:sku:version"
    )


def _disk(spec: MachineSpec, options: Options) -> models.OSDisk:
    return models.OSDisk(
        name=names.side(spec.name, spec.owner, names.DISK),
        create_option="FromImage",
        delete_option="Delete",
        caching="ReadWrite",
        disk_size_gb=options.disk_gb,
        managed_disk=models.ManagedDiskParameters(storage_account_type=options.disk_type),
    )


def _system(spec: MachineSpec, options: Options, ssh_public_key: str) -> models.OSProfile:
    data = spec.user_data.encode()
    if len(data) > MOST_CUSTOM_DATA:
        raise Refused(
            f"the user data of {spec.name} has {len(data)} bytes, Azure takes "
            f"{MOST_CUSTOM_DATA}: preload fewer modules in its environment"
        )
    return models.OSProfile(
        computer_name=spec.name,
        admin_username=options.admin,
        custom_data=base64.b64encode(data).decode() or None,
        linux_configuration=models.LinuxConfiguration(
            disable_password_authentication=True,
            ssh=models.SshConfiguration(
                public_keys=[
                    models.SshPublicKey(
                        path=f"/home/{options.admin}/.ssh/authorized_keys",
                        key_data=ssh_public_key,
                    )
                ]
            ),
        ),
    )


def _interface(
    spec: MachineSpec, options: Options, tags: dict[str, str]
) -> models.VirtualMachineNetworkInterfaceConfiguration:
    address = None
    if options.public_address:
        address = models.VirtualMachinePublicIPAddressConfiguration(
            name=names.side(spec.name, spec.owner, names.ADDRESS),
            sku=models.PublicIPAddressSku(name="Standard", tier="Regional"),
            tags=tags,
            properties=models.VirtualMachinePublicIPAddressConfigurationProperties(
                delete_option="Delete", public_ip_allocation_method="Static"
            ),
        )
    group = options.security_group
    return models.VirtualMachineNetworkInterfaceConfiguration(
        name=names.side(spec.name, spec.owner, names.INTERFACE),
        tags=tags,
        properties=models.VirtualMachineNetworkInterfaceConfigurationProperties(
            primary=True,
            delete_option="Delete",
            network_security_group=models.SubResource(id=group) if group else None,
            ip_configurations=[
                models.VirtualMachineNetworkInterfaceIPConfiguration(
                    name="first",
                    properties=models.VirtualMachineNetworkInterfaceIPConfigurationProperties(
                        primary=True,
                        subnet=models.SubResource(id=options.subnet),
                        public_ip_address_configuration=address,
                    ),
                )
            ],
        ),
    )
