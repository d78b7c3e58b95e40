"""Run a program that a model wrote where it can do nothing but compute: no files, no network, no processes, and not for long.

`Sandbox.run` gives an Outcome for whatever the program does; only a machine that cannot lock it in raises, and then no
program is run at all.

| reason    | what happened                                                  | whose fault  |
|-----------|----------------------------------------------------------------|--------------|
| ok        | it ended, and `output` is what it drew                         |              |
| refused   | it asked for a system call that is not allowed, and was killed | the program's |
| timeout   | it used up its CPU time, and was killed                        | the program's |
| memory    | it asked for more memory than it may have                      | the program's |
| too_large | it put out more than it may, and was killed                    | the program's |
| raised    | it ended with an exception, or its text is not of the language | the program's |
| crash     | it ended in another way, without a drawing                     | the program's |
| stalled   | it got no CPU time for too long, and was killed                  | nobody's: unscored |
| killed    | somebody else killed it, or the process that starts programs   | nobody's: unscored |
"""

from ratchet.verify.sandbox.box import LANGUAGES, Limits, Sandbox
from ratchet.verify.sandbox.outcome import Outcome

__all__ = ["LANGUAGES", "Limits", "Outcome", "Sandbox"]
