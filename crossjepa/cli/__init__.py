"""The command line: one thin typed function per command."""
