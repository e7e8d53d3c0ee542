"""GridFTP: control channel, GSI security, parallel data channels, kept sessions."""
