"""The contract with other services, written from the code: the AsyncAPI document and the signals' JSON Schemas."""
