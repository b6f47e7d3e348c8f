"""Changes of virtual machines: what may be asked, when, and what is to be done next, whatever was cut off before."""
