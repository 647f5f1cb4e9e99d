"""Plan: what a launch would do, checked and measured before anything is stored."""
