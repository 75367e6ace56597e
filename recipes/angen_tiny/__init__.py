"""How `angen-tiny`, the small embedded music model, is made: music composed by rules, rendered, captioned."""
