"""dx/dt = v(t, x), dx = b(t, x) dt + sigma dW, and log p along them."""
