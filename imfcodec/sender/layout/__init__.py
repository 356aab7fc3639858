"""What is coded where: the heads of a picture, and their windows."""
