"""Commands for developers: assets, catalogues, template images. Nothing here runs in production."""
