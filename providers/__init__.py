"""Payment providers behind one abstract class, one folder each; ``sandbox`` imitates them over HTTP."""
