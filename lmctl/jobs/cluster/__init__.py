"""Work on a cluster of Dask: a function applied to items by the workers of a scheduler."""
