"""The operations of the API, a file for each subject: what they do, and their routes."""
