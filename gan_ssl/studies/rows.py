"""What the studies of a method have in common: rows, scores and the losses whose curves are shown."""

from collections.abc import Sequence

from gan_ssl.studies.plan import Row, Score

OP_GAN_LOSSES = (
    "train/generator/cycle",
    "train/generator/adversarial",
    "train/generator/content",
    "train/siamese/content_std",
    "train/siamese/domain_accuracy",
)
MATCH_GAN_LOSSES = (
    "train/generator/classification",
    "train/generator/reconstruction",
    "train/discriminator/match_accuracy",
)
_PUBLISHED = {
    "loss.content_form": "maps",
    "loss.content": 1.0,
    "model.siamese_init": "normal",
    "model.siamese_strides": (1, 2, 2),
    "pretext.pairs": (1, 1, 1, 1),
}
_JUDGED = {"untranslated": "direct", "by day (ceiling)": "ceiling"}
_TRUE = {"true translations": "true"}


def published_forms(recipe: str) -> tuple[Row, ...]:
    """Returns the published forms of the two tasks, each alone and both, on a recipe's own networks."""
    domain_alone = _PUBLISHED | {"loss.content": 0.0}
    return (
        Row("published_content", f"{recipe},content", _PUBLISHED, label="published form, content task"),
        Row("published_domain", f"{recipe},domain", domain_alone, label="published form, domain task"),
        Row("published_both", recipe, _PUBLISHED, label="published form, both tasks"),
    )


def segmented(name: str, label: str, truth: bool = False) -> Score:
    """Returns a score of the segmenters on translations, beside untranslated images and those by day.

    Args:
        name: `miou`, `iou.car`.
        label: what tables call it.
        truth: whether the true translations are known and stand beside it too.
    """
    references = {title: f"{group}.{name}" for title, group in (_JUDGED | (_TRUE if truth else {})).items()}
    return Score(f"translated.{name}", label, percent=True, references=references)


def label_shares(recipe: str, shares: Sequence[int]) -> list[Row]:
    """Returns StarGAN and MatchGAN with shares of the labels, in percent: a curve each."""
    rows = []
    for share in shares:
        changes, words = {"data.labelled_fraction": share / 100}, f"{share}% of the labels"
        for curve, name, variants in (("StarGAN", "stargan", ",stargan"), ("MatchGAN", "match", "")):
            label = f"{curve}, {words}"
            rows.append(Row(f"{name}_{share}", f"{recipe}{variants}", changes, label=label, curve=curve, x=share))
    return rows
