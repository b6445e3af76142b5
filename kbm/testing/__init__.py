"""What plug-in authors and kbm's own tests share: contract suites, fakes, builders."""
