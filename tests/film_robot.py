"""What a robot's file needs so that its camera is a film and its arms hang on buses."""

FILM_WIRING = """
[camera]
device = "{film}"
rate_hz = 2.0

[[buses]]
interface = "socketcan"
channel = "can0"
arms = ["L leader", "L follower"]

[[buses]]
interface = "socketcan"
channel = "can1"
arms = ["R leader", "R follower"]
"""
