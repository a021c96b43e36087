"""Payment providers behind one abstract class, one folder each; ``sandbox`` imitates them over HTTP. Translates our
requests, their answers and callbacks; holds no payment state, decides no transition and touches no storage."""
