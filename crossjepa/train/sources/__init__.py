"""What can be cached: collections of meshes, clouds, or pictures that exist, read object by object."""
