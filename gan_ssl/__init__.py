"""OP-GAN and MatchGAN in JAX and Flax: pure losses, jitted steps, one loop."""
