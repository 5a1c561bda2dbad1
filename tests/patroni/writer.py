"""Writes a row ten times a second through HAProxy, and says of each what came of it, and when.

    writer.py fresh|kept    a connection for each row, or one for as long as it lasts

A line each: BEGUN ENDED SEQUENCE SERVER|failed WHY, in milliseconds.
"""

import os
import sys
import time

import psycopg2

PERIOD = 0.1
kind = sys.argv[1]
connection = None


def write(sequence):
    global connection
    if connection is None:
        connection = psycopg2.connect(os.environ["WRITER_DSN"])
        connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO written (kind, sequence) VALUES (%s, %s) RETURNING host(inet_server_addr())",
                (kind, sequence),
            )
            return cursor.fetchone()[0]
    finally:
        if kind == "fresh":
            connection.close()
            connection = None


def drop():
    global connection
    if connection is not None:
        connection.close()
        connection = None


sequence = 0
while True:
    sequence += 1
    begun = time.time()
    try:
        outcome = write(sequence)
    except psycopg2.Error as error:
        drop()
        outcome = "failed " + " ".join(str(error).split())
    ended = time.time()
    print(int(begun * 1000), int(ended * 1000), sequence, outcome, flush=True)
    time.sleep(max(0.0, begun + PERIOD - ended))
