from likeness.testbed.scene import GARMENTS, PLACES, VOCABULARY, draw_scene


def test_captions_use_the_vocabulary_only():
    seen = set()
    for seed in range(400):
        words = draw_scene(seed).caption().replace(",", "").split()
        assert set(words) <= set(VOCABULARY)
        seen |= set(words)
    assert seen == set(VOCABULARY)
    assert 40 <= len(VOCABULARY) <= 60


def test_a_caption_says_clothes_place_and_light():
    scene = draw_scene(3)
    caption = scene.caption()
    assert f"{scene.cloth} {GARMENTS[scene.garment]}" in caption
    assert PLACES[scene.place].format(scene.wall) in caption
    assert caption.endswith(f"{scene.light.tone} light from {scene.light.side}")
