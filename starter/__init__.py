"""The client side: command line, registration with Temporal; later the REST API and Telegram."""
