"""What the OpenAPI document says beyond what the routes tell by themselves."""
