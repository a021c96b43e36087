"""The OpenAPI document where FastAPI cannot derive it from the endpoints: problems, examples, provider callbacks; and the
page that shows it. Schemas belong to the endpoints."""
