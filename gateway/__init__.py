"""A WebSocket server that keeps Amazon API Gateway's contract on one machine.

It knows the Lambda contract (events in, responses out) and nothing of the product whose functions it calls.
"""
