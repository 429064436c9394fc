#!/usr/bin/env python3
"""Writes the conversations of the chat quickstart: a support desk of an online shop that does not exist.

    python3 examples/support-conversations/make.py FOLDER

writes train.jsonl and validation.jsonl. What customers ask about is in TOPICS, each with the facts that an answer rests
on; how the desk answers (its thanks, its steps, its last line) is in answer(). The questions of validation.jsonl are
worded as none of train.jsonl is. Nothing is drawn: the files are the same wherever this runs.
"""
import json
import pathlib
import sys

OPENINGS = ["", "Hi, ", "Hello, ", "Please help: ", "Good morning, ", "Good evening, "]

# What it is about; what is so; what to do; questions, of which the last one is kept for validation.
TOPICS = [
    ("your parcel", "Parcels leave our warehouse within one working day and take two to four days.",
     ["Open Orders and choose the parcel.", "Tap Track to see where it is.",
      "If nothing has moved for five days, tap Report and we send a new one."],
     ["where is my parcel?", "my order has not arrived yet.", "the tracking page has shown the same place for days.",
      "how long does delivery take?", "I ordered a week ago and nothing came.",
      "my package is late, what can I do?"]),
    ("your return", "You may return anything within 30 days, and the return is free.",
     ["Open Orders and choose the item.", "Tap Return and print the label.", "Hand the parcel in at any pick-up point."],
     ["how do I send something back?", "I want to return a pair of shoes.", "the jacket does not fit, can it go back?",
      "is a return free?", "until when may I return an order?", "I changed my mind and would like to return my order."]),
    ("your refund", "Refunds go back the way you paid, within five working days of the return.",
     ["Open Orders and choose the return.", "Check that it says Received.",
      "If it does and five days have passed, tap Ask about refund."],
     ["when do I get my money back?", "my refund has not come.", "I returned a lamp and was not paid yet.",
      "how long does a refund take?", "to which account do you refund?",
      "you have my return, but where is my money?"]),
    ("your invoice", "We keep an invoice for every order for ten years.",
     ["Open Orders and choose the order.", "Tap Invoice.", "Save the file or have it sent to your email address."],
     ["I need an invoice.", "where can I download the bill?", "my accountant wants an invoice for an old order.",
      "can you send me the invoice again?", "is there a receipt for my order?",
      "how do I get a bill for my last purchase?"]),
    ("the double charge", "A second charge is nearly always a reservation that your bank releases within three days.",
     ["Open Payments and compare the two amounts.", "Wait three days for the reservation to go.",
      "If both are still there, tap Report charge and we pay one back."],
     ["I was charged twice.", "the same amount left my account two times.", "why do I see two payments for one order?",
      "there is a double payment on my card.", "you took the money twice!", "my card shows one order, but two charges."]),
    ("your password", "A reset link is good for one hour.",
     ["Open the sign-in page.", "Tap Forgot password and enter your email address.",
      "Follow the link in the message and choose a new password."],
     ["I forgot my password.", "I cannot sign in any more.", "how do I reset my password?",
      "the sign-in page says that my password is wrong.", "my password does not work.",
      "I can't log in because I lost my password."]),
    ("your email address", "You can change the address at any time, and your orders stay where they are.",
     ["Open Account and choose Email.", "Enter the new address.", "Confirm it by the link that we send there."],
     ["how do I change my email address?", "I have a new email address.", "please send messages to another address.",
      "my old mailbox is closed, how do I change it here?", "can I use a different email?",
      "I would like to update the email of my account."]),
    ("your delivery address", "We can change the address until the parcel leaves the warehouse.",
     ["Open Orders and choose the order.", "Tap Change address.", "If it is greyed out, the parcel has left: refuse it at the door and we refund you."],
     ["I moved, can you change the delivery address?", "my order goes to the wrong address.",
      "I typed the wrong street.", "can the parcel go to my office instead?",
      "how do I correct the address of an order?", "the address of my order is wrong, please correct it."]),
    ("your cancellation", "An order can be cancelled until it is packed, which takes about two hours.",
     ["Open Orders and choose the order.", "Tap Cancel.", "If it is packed already, refuse the parcel and we refund you."],
     ["I want to cancel my order.", "can I still cancel?", "I ordered by mistake.", "please stop my order.",
      "how do I cancel something that I have just bought?", "stop, I do not want this order any longer."]),
    ("the damaged item", "What arrives damaged is replaced at no cost to you.",
     ["Take two photos of the item and its box.", "Open Orders, choose the item and tap Damaged.",
      "Add the photos: a new one leaves the next working day."],
     ["my cup arrived broken.", "the parcel was damaged.", "the screen has a crack, and it is new.",
      "one plate is in pieces.", "the box was wet and the book is ruined.", "my new lamp came broken."]),
    ("the wrong item", "You keep what we sent by mistake, and get what you ordered.",
     ["Open Orders and choose the order.", "Tap Wrong item and say what came.", "The right one leaves the next working day."],
     ["you sent me the wrong item.", "I ordered a blue shirt and got a red one.", "this is not what I ordered.",
      "there is somebody else's order in my parcel.", "the size is not the one that I ordered.",
      "I got a different product than I ordered."]),
    ("the missing item", "Large orders may come in two parcels.",
     ["Open Orders and see whether a second parcel is on its way.", "If not, tap Missing item.",
      "We send what is missing the next working day."],
     ["one thing is missing in my parcel.", "I ordered three books and got two.", "half of my order is not there.",
      "the parcel is not complete.", "where is the rest of my order?", "an item was missing from the box."]),
    ("your discount code", "One code counts for one order, and is entered before you pay.",
     ["Open the basket.", "Tap Add code and enter it without spaces.",
      "If it is refused, check the date on it: codes end at midnight."],
     ["my discount code does not work.", "where do I enter a code?", "the code was not taken off.",
      "can I use two codes?", "it says that my code is not valid.", "the shop refuses my voucher code."]),
    ("your gift card", "Gift cards are good for three years, and for several orders.",
     ["Open Payments and tap Add gift card.", "Enter the 16 digits.", "Choose it when you pay: the rest stays on the card."],
     ["how do I pay with a gift card?", "how much is left on my gift card?", "does a gift card run out?",
      "can I use a gift card twice?", "where do I enter my gift card?", "I was given a gift card, how does it work?"]),
    ("your payment", "We take cards, bank transfer, and payment on invoice.",
     ["Open the basket and tap Pay.", "Choose another way to pay.", "If none is accepted, ask your bank whether payments on the internet are allowed."],
     ["my payment was declined.", "my card is not accepted.", "how can I pay?", "can I pay by bank transfer?",
      "the payment page shows an error.", "the shop does not take my card."]),
    ("your warranty", "All that we sell has a warranty of two years.",
     ["Open Orders and choose the item.", "Tap Repair and say what does not work.", "Send it in with the label: it is back within ten days."],
     ["my kettle stopped working.", "is there a warranty?", "the headphones broke after a year.",
      "how do I get something repaired?", "it does not switch on any more.",
      "after six months my toaster no longer heats."]),
    ("the newsletter", "You get no more messages one day after you leave the list.",
     ["Open Account and choose Messages.", "Switch Newsletter off.", "Messages about your orders still come."],
     ["how do I stop the newsletter?", "I get too many emails.", "please take me off the list.",
      "I do not want any more advertising.", "how do I unsubscribe?", "stop sending me offers by email."]),
    ("deleting your account", "We delete an account within 30 days, and keep invoices as the law asks.",
     ["Open Account and choose Privacy.", "Tap Delete account.", "Confirm it by the link that we send you."],
     ["I want to delete my account.", "please remove all my data.", "how do I close my account?",
      "can you erase what you know of me?", "I no longer need my account.", "how can I have my account removed?"]),
    ("the size", "Our sizes are those of the table on each page, in centimetres.",
     ["Open the page of the item and tap Sizes.", "Measure what fits you well.", "Between two sizes, take the larger one: returns are free."],
     ["which size should I take?", "are your shoes small?", "is there a table of sizes?", "I am between two sizes.",
      "does size M fit me?", "how do I know which size fits?"]),
    ("what is sold out", "Most things are back within two weeks.",
     ["Open the page of the item.", "Tap Tell me.", "We write to you once, on the day that it is back."],
     ["when is the green chair back?", "the item is sold out.", "will you have this again?",
      "it says not available.", "can I order something that is sold out?", "the bag that I want is out of stock."]),
]


def answer(about, fact, steps):
    """The desk's answer: thanks and the subject, what is so, the steps, and the way to a person."""
    lines = [f"Thanks for asking about {about}. {fact}", ""]
    lines += [f"{number}. {step}" for number, step in enumerate(steps, 1)]
    return "\n".join(lines + ["", 'Still stuck? Reply "person" and one of us takes over.'])


def asked(opening, question):
    return opening + question if opening else question[0].upper() + question[1:]


def turn(topic, opening, question):
    about, fact, steps, _ = topic
    return [{"role": "user", "content": asked(opening, question)},
            {"role": "assistant", "content": answer(about, fact, steps)}]


def conversations():
    """Lists of messages to train on, and to validate on."""
    train, validation = [], []
    for place, topic in enumerate(TOPICS):
        questions = topic[3]
        for number, question in enumerate(questions[:-1]):
            for opening in (0, 1 + (place + number) % (len(OPENINGS) - 1)):
                train.append(turn(topic, OPENINGS[opening], question))
        # Two subjects in one conversation.
        other = TOPICS[(place + 7) % len(TOPICS)]
        train.append(turn(topic, "", questions[place % 5]) + turn(other, "Thanks. And ", other[3][(place + 1) % 5]))
        validation.append(turn(topic, "", questions[-1]))
    # In the order of subjects nobody would ask; 61 has no divisor in common with the number of rows.
    return [train[i * 61 % len(train)] for i in range(len(train))], validation


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in zip(("train", "validation"), conversations()):
        with open(folder / f"{name}.jsonl", "w", encoding="utf-8", newline="\n") as file:
            file.writelines(json.dumps({"messages": row}) + "\n" for row in rows)


if __name__ == "__main__":
    main()
