"""Train a model of the next word on the English in Python's manual, and ask it what comes next."""

from fastrnn import NGramLanguageModel, data

train, _, test = data.split_sentences(data.topics())
model = NGramLanguageModel(embedding=16, hidden_size=64, vocabulary_size=500, epochs=5, random_state=0).fit(train)
print(f"perplexity of sentences it has not seen: {model.perplexity(test):.1f} of {len(model.vocabulary_)} words")
for context in ("the value of", "is not a", "zebras are used"):  # "zebras" is not in its vocabulary: <unk>
    words, probabilities = model.top_k(context, k=3)
    print(f"{context} ... {', '.join(f'{word} {p:.0%}' for word, p in zip(words, probabilities, strict=True))}")
print("vectors most like that of 'is':", *model.nearest("is", k=5)[0])
