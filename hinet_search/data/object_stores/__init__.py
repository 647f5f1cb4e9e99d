"""Object stores: tables at URLs, copied once into the cache and then read as local files."""
