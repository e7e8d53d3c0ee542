"""The commands of ``vmm``, a file for each subject: their arguments and what they do."""
