"""Where a block normalizes, and how: mixins that any family can take."""

from bert4keras.layers import Add


class PreNorm:
    """Each sublayer normalizes its input, and the sum goes on as it is."""

    def residual(self, x, name, sublayer):
        """Join a sublayer to its input: norm, sublayer, dropout, sum."""
        y = sublayer(self.normalize(x, f"{name}-Norm"), name)
        return self.apply([x, self.drop(y, f"{name}-Dropout")], Add, name=f"{name}-Add")


class RMSNorm:
    """Normalizations divide by the root mean square, and neither center nor offset."""

    norm = {"zero_mean": False, "offset": False}
