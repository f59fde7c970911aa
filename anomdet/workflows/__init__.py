"""One file a verb: settings, paths and arrays in, frozen results out; UserError for what is wrong."""
