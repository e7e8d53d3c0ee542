"""The TopCAT face: what an unchanged TopCAT DAaaS plugin calls, over HTTP and over SSH."""
