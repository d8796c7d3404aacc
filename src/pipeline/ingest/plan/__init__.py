"""What an archive holds, whose it is, and in which shard."""
