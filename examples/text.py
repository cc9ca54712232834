"""Train a model of the next character on Python's manual, and let it continue a text in the same style."""

from fastrnn import CharacterLanguageModel, data

text = data.manual()
model = CharacterLanguageModel(hidden_size=64, layers=1, window=50, batch_size=8, learning_rate=0.01, epochs=5)
model.set_params(random_state=0, verbose=1).fit(text[:100_000])
print(f"nats a character of what it has not seen: {-model.score(text[-10_000:]):.3f}")
for character in model.generate("The ", 200, temperature=0.5, random_state=0):
    print(character, end="", flush=True)
print()
