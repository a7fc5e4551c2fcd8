"""The daemon: its loop, when it saves and answers, and how it tells others how it is."""
