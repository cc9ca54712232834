"""Learn to add from examples alone: the input is a text with two numbers, the output a text with their sum."""

from fastrnn import Adam, SequenceTranslator, data

sums = data.arithmetic_questions(5000, digits=2, operations="+")
optimizer = Adam(0.012, weight_decay=0.1)  # weight decay lets it find the rule, not learn answers by heart
model = SequenceTranslator(hidden_size=64, reverse=True, optimizer=optimizer, epochs=40, batch_size=50, random_state=0)
model.fit(sums.questions_train, sums.answers_train)
print(f"right answers to questions it has not seen: {model.score(sums.questions_test, sums.answers_test):.0%}")
asked = sums.questions_test[:5]
for question, truth, answer in zip(asked, sums.answers_test, model.predict(asked), strict=False):
    print(f"{question} = {answer}" + ("" if answer == truth else f", but it is {truth}"))
