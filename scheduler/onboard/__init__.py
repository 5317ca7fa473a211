"""Setting up: links, the account at the provider, pairing, prompts, places, interventions, conflicts, homes."""
