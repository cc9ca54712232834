"""Check two custom cells, and train them on digits, row by row; docs/custom_cell.md explains them."""

from fastrnn.cells import Cell, derive, one, sigmoid, tanh, zero
from fastrnn.testing import check_cell


def mgu_step(ax, ah, s):
    f = sigmoid(ax[0] + ah[0])
    n = tanh(ax[1] + f * ah[1])
    return (n + (one(f) - f) * (s[0] - n),), (f, n, ah[1])


def mgu_vjp(kept, s, new, d):
    f, n, ah_n = kept
    dn = d[0] * f * (one(n) - n * n)
    df = (d[0] * (n - s[0]) + dn * ah_n) * f * (one(f) - f)
    return (df, dn), (df, dn * f), (d[0] * (one(f) - f),)


MGU = Cell("mgu", "fn", "h", mgu_step, mgu_vjp)


def coupled_step(ax, ah, s):
    f, g, o = sigmoid(ax[0] + ah[0]), tanh(ax[1] + ah[1]), sigmoid(ax[2] + ah[2])
    c = g + f * (s[1] - g)
    return (o * tanh(c), c), (f, g, o)


def coupled_vjp(kept, s, new, d):
    f, g, o = kept
    t = tanh(new[1])
    dc = d[1] + d[0] * o * (one(t) - t * t)
    da = (
        dc * (s[1] - g) * f * (one(f) - f),
        dc * (one(f) - f) * (one(g) - g * g),
        d[0] * t * o * (one(o) - o),
    )
    return da, da, (zero(dc), dc * f)


COUPLED = Cell("coupled", "fgo", "hc", coupled_step, coupled_vjp)


def main() -> None:
    """Check and train each cell, and then the first one again, made from its `step` alone."""
    from sklearn.datasets import load_digits  # here, so that importing only the cells is quick
    from sklearn.model_selection import train_test_split

    from fastrnn import RecurrentClassifier

    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X.reshape(-1, 8, 8), y, random_state=0, stratify=y)
    for cell in (MGU, COUPLED, derive("derived", "fn", "h", mgu_step)):
        check_cell(cell)
        classifier = RecurrentClassifier(cell=cell, hidden_size=64, epochs=20, random_state=0).fit(X_train, y_train)
        print(f"{cell.name}: accuracy {classifier.score(X_test, y_test):.3f} after {classifier.n_iter_} epochs")


if __name__ == "__main__":
    main()
