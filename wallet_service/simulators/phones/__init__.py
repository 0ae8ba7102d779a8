"""The phones: an iPhone with Wallet and an Android phone with Google Wallet, over the real protocols."""
