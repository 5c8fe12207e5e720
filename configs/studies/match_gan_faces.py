"""MatchGAN and StarGAN on the embedded faces at 32x32: how many labels each needs, and what the match loss is worth.

    python launch/study.py --study=configs/studies/match_gan_faces.py --workdir=runs/match_gan_faces --jobs=2

33 runs of about 7 minutes on one core each.
"""

from gan_ssl.studies import Row, Score, Study, rows

_SHARES = (1, 5, 20, 100)
_REAL = {"real portraits": "real.accuracy"}


def get_study():
    """Returns the study."""
    quick = "configs/match_gan.py:quick"
    listed = rows.label_shares(quick, _SHARES)
    few = {"data.labelled_fraction": 0.05}
    ablate = lambda name, changes, label: Row(name, quick, few | changes, label=label, against="match_5")
    listed += [
        ablate("no_unlabelled_5", {"data.unlabelled": False}, "5%: match loss, no unlabelled images"),
        ablate("no_match_5", {"loss.match": 0.0}, "5%: unlabelled images, no match loss"),
        ablate("concat_5", {"model.match_head": "concat"}, "5%: published match head"),
    ]
    scores = (
        Score("gan_test.accuracy", "GAN-test", percent=True, references=_REAL),
        Score("gan_train.accuracy", "GAN-train", percent=True, references=_REAL),
        Score("classifier_fid", "classifier FID", "lower", digits=3),
        Score(
            "edit_error_inside.mean",
            "edit error",
            "lower",
            references={"untranslated": "edit_error_inside.untranslated"},
        ),
        Score("identity_error.mean", "identity error", "lower", digits=4),
        Score("match_accuracy.real", "match, real pairs", percent=True),
        Score("match_accuracy.translated", "match, translated pairs", percent=True),
    )
    return Study(
        title="MatchGAN on faces: how many labels",
        text=(
            "GAN-test: a classifier of real portraits reads every edit. Edit error: L1 to the true edited portrait in "
            "the edited region; identity error: outside it. GAN-test is blind to a generator that ignores its input: "
            "read it beside these two. A match accuracy of 50% is chance."
        ),
        rows=tuple(listed),
        scores=scores,
        base="stargan_100",
        details={"GAN-test by attribute": "gan_test.by_attribute.*.accuracy"},
        losses=(*rows.MATCH_GAN_LOSSES, "train/generator/match_accuracy"),
        x_label="share of the labels, %",
    )
