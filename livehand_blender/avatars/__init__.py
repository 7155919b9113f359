"""The list of avatars: a folder of files, their pictures, their papers, and whether a pose suits them."""
