"""The dashboard: shows what mypt does. Never imports torch."""
