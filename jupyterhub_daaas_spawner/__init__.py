"""jupyterhub_daaas_spawner"""
