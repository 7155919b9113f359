"""Content Credentials: pictures and videos that say which program and which avatar made them, signed and verifiable."""
