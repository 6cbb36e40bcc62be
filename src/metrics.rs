//! Every series the agent has, named once.
