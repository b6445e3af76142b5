"""One contract suite per port: inherit it in your tests and give it your plug-in; it says what the core relies on."""
