"""The trigger: starts the next round of a loop when its alias `champion` moves, whoever moved it.

A webhook of the registry, or a tick of the poller, is only a hint that something may have happened to a loop. What did happen is
read from the registry and the promotion log, what is due is decided from that, and each start is written down before it is made:

<root>/loops/<loop>/trigger/moves/0007.json         a move of the alias that the trigger has seen, by its number in the log
<root>/loops/<loop>/trigger/followed/0007.json      that serving, and whoever else follows the alias, was told of it
<root>/loops/<loop>/trigger/asks/0003.json          a round that is asked for, and what for
<root>/loops/<loop>/trigger/asks/0003.started.json  the run that it became
<root>/loops/<loop>/trigger/stops/                  at what point of its way the loop was seen stopped
<root>/trigger/deliveries/                          ids of the webhooks of the last minutes, against replays
"""
