"""What has to be known of missions and instruments."""
