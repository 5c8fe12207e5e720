r"""MatchGAN and StarGAN on real faces with three expressions at 32x32; the folder comes by flag.

    python launch/study.py --study=configs/studies/match_gan_expressions.py --workdir=runs/expressions --jobs=2 \
        --config.data.dir=FACES

FACES holds train/CLASS and test/CLASS, the classes being expressions. 18 runs of about 4 minutes on one core each.
"""

from gan_ssl.studies import Score, Study, rows

_SHARES = (5, 20, 100)
_REAL = {"real faces": "real.accuracy"}


def get_study():
    """Returns the study."""
    quick = "configs/match_gan.py:quick"
    listed = rows.label_shares(quick, _SHARES)
    scores = (
        Score("gan_test.accuracy", "GAN-test", percent=True, references=_REAL),
        Score("gan_train.accuracy", "GAN-train", percent=True, references=_REAL),
        Score("classifier_fid", "classifier FID", "lower", digits=3),
        Score("reconstruction_error", "there and back, L1", "lower"),
        Score(
            "nearest_source.accuracy",
            "own source is nearest",
            percent=True,
            references={"guessing": "nearest_source.chance"},
        ),
        Score("match_accuracy.real", "match, real pairs", percent=True),
        Score("match_accuracy.translated", "match, translated pairs", percent=True),
    )
    return Study(
        title="MatchGAN on expressions: how many labels",
        text=(
            "GAN-test: a classifier of real faces reads every edit; it is blind to a generator that ignores its input. "
            "The true edit of a photograph is not known: look at the pictures, and at how often an edit's nearest "
            "source, by the classifier's features, is its own. A match accuracy of 50% is chance."
        ),
        rows=tuple(listed),
        scores=scores,
        base="stargan_100",
        overrides={"data.name": "classes", "model.grey": True},
        details={"GAN-test by expression": "gan_test.by_attribute.*.accuracy"},
        losses=rows.MATCH_GAN_LOSSES,
        x_label="share of the labels, %",
    )
