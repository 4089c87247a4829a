"""Methods: a family is a file here that ends with `METHOD = ItsClass`; what families build on begins with `_`."""
