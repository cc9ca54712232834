"""The commands. Options are parsed before anything that takes time to import."""


def train() -> None:
    """Run ``fastrnn-train``."""
    from fastrnn.cli.train import app

    app()


def predict() -> None:
    """Run ``fastrnn-predict``."""
    from fastrnn.cli.predict import app

    app()
