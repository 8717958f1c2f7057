//! The command line: run, list, stop, invoke, version, completion.
